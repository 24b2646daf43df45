"""Pure building blocks that every room may use: time, identifiers, masking. No I/O, no imports from the house."""
