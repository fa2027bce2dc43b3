-- Within the grace of a lost answer, only the client that used a refresh token may show it again: its
-- address and what it calls itself.
alter table refresh_tokens add column used_from text;
