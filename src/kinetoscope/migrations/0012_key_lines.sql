-- Keys that replaced each other spend together; they are found from either end.
create index api_key_replaces on api_key (replaces) where replaces is not null;
