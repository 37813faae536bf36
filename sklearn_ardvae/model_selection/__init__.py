"""What is chosen by many fits: beta by cross-validation."""
