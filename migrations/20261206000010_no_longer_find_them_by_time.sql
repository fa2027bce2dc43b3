-- By itself: for a moment nobody else has the table then, and together with anything that holds up a record's
-- change it could wait in a circle.
--
-- A program of the release before asks for records without a prediction by the time, and looks longer for
-- them until it is replaced.
drop index patients_never_predicted;
