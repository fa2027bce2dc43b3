-- How the risks that were told compare with what happened since; null in a publication that was
-- made before this was published. The cells of trends lie among the others (summary_cells).
alter table summary_publications add column performance jsonb;
