-- How long an account's uploads are kept, where that is shorter than the deployment keeps them.
alter table account
  add upload_lifetime_s integer check (upload_lifetime_s > 0);
