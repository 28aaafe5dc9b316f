"""The curated training set: who is good, who is bad, balance, leak-safe splits."""
