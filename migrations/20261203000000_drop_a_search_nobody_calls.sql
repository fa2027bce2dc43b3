-- Nobody has called it since 20261202000000, which went out before this.
drop function few_patients_with(text[], text, date, integer);
