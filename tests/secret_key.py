"""The secret key of this test process: a database can't be opened with another one later."""

from shared.kit.vault import Vault

SECRET_KEY = Vault.new_key()
