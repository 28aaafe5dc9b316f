"""Evaluation: accuracy of the classifier, comparison of methods, completeness by injection, entropy trial."""
