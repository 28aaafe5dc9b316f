"""How good the classifier is, the methods compared, completeness by injection, trials of the Entropy Method."""
