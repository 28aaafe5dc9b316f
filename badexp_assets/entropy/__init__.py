"""The Entropy Method: sources, orientations, gradients, divergence."""
