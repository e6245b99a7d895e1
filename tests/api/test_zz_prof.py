import cProfile, pstats, asyncio, pytest, time
from tests.api.test_webhooks_sender import *
pytestmark = pytest.mark.anyio
async def test_prof(world, alice, receiver, sender):
    await put_many(world, alice, 300, lambda _: receiver.url())
    p = cProfile.Profile(); t=time.perf_counter(); c=time.process_time()
    p.enable(); n = await sender.drain(); p.disable()
    print(n, time.perf_counter()-t, time.process_time()-c)
    pstats.Stats(p).sort_stats("cumulative").print_stats(45)
