"""Compares, repairs what is safe alone, and carries out what the desk has decided."""
