"""One pass over the pixels of a night, and what comes out of it."""
