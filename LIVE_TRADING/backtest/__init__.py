"""The loop over history, and what comes of it: record, figures, files and report."""
