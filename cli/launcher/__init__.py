"""The life of `concord up`: `Stack` starts, supervises and stops. Imports embedded and provisioning."""
