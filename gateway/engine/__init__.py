"""Where and when work runs."""
