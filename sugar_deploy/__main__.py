"""`python -m sugar_deploy` is the same program as `sugar-deploy`."""

from sugar_deploy.cli import main

if __name__ == "__main__":
    main()
