"""The explorer page: a fitted estimator as one HTML file."""
