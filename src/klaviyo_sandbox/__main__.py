"""`python -m klaviyo_sandbox` is the command `klaviyo-sandbox`."""

from klaviyo_sandbox.cli import main

main()
