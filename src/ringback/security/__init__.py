"""Who is calling: JSON Web Tokens, and the tokens of single operations."""
