"""Measurements: ratios against a floor taken in the same run, never timed tests."""
