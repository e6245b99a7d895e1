"""What providers on this machine have in common: a submit refers to files that are here already."""

from kinetoscope.providers.contract import Job, Prepared, Refused


class OnThisMachine:
    """Nothing is uploaded, and a job is asked about until it is done."""

    submit_timeout_s = 30.0

    def answers_at_once(self, job: Job) -> bool:
        """Never: the result is told with the status."""
        del job
        return False

    async def prepare(self, job: Job) -> Prepared | Refused:
        """Nothing to do."""
        del job
        return Prepared()
