"""What the pages of portal and console say alike: a device and its actions, times, history, and the guards before a
page."""
