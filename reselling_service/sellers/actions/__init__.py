"""What may be done with sellers, and how their links are kept account of."""
