"""What layers cost: profiles, estimates of layers and networks, calibration from builds."""
