"""What only notebooks need: set-up, checks, exercises."""
