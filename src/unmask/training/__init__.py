"""One `fit` that trains everything which turns a batch into summed losses with their counts."""
