-- How each session began: who came by a link may set a new password without knowing the old one.

alter table session add how text not null default 'password'
  check (how in ('password', 'link', 'invitation', 'sign-up', 'oidc', 'passkey'));
