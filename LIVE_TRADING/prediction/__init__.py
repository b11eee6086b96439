"""Prediction stage: raw forecasts in, scores with the confidence they have earned out."""
