"""One module per wire format, and the classification of failures that all of them share."""
