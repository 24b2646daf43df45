"""What Klaviyo itself knows, asked when somebody asks us: tests of the connection, metrics, profiles, events.

Nothing here is needed to accept or deliver. Answers are remembered for seconds, so that a page that is loaded often does not
spend the account's quota, and every question has a time limit: then the local answer, or the error, is given instead.
"""
