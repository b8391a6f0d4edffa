from tests.platforms.apple.conftest import owner, register, server

__all__ = ["owner", "register", "server"]
