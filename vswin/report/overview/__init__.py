"""The paper on one page: every claim with its verdict, every table, and what awaits the videos."""
