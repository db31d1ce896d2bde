"""FIFOs: how deep they must be where everything sits, what they cost there, and room for them."""
