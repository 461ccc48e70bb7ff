"""The mechanisms that architectures are composed of, each written once."""
