"""The public contract, taken from the product as one list, and the comparison of two lists."""
