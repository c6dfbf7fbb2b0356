"""What the user passes becomes coded, merged ratings."""
