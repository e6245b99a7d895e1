"""What everything may use and that uses nothing of ours."""
