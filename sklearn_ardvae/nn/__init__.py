"""Torch building blocks that know nothing of scikit-learn or of any one method."""
