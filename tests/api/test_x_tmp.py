import asyncio, pytest
from tests.conftest import World, settings, world, conninfo, template_conninfo, server_folder, anyio_backend
from tests.scripted import PATH_CREATE, PICTURE
pytestmark = pytest.mark.anyio
async def test_x(world):
    people=[await world.person(f"p{n}") for n in range(16)]
    from collections import Counter
    c=Counter(); 
    for _ in range(5):
        rs=await asyncio.gather(*(world.client.post(PATH_CREATE,json=PICTURE,headers=p.headers) for p in people))
        c.update((r.status_code, r.text[:100] if r.status_code!=200 else r.headers["ratelimit"]) for r in rs)
    print(c); assert 0
