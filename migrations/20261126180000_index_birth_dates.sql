-- The list is searched by date of birth too; without its own index the search by trigrams beside it
-- would not be used either.

create index patients_by_birth on patients (birth_date);
