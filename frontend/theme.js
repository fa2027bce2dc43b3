// Applies the stored choices (light or dark; names hidden) before anything is painted.
// The names are those in src/components/theme_switch.rs and privacy_switch.rs.
try {
  const theme = localStorage.getItem("nephrocast.theme");
  if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
  if (localStorage.getItem("nephrocast.private")) document.documentElement.dataset.private = "";
} catch {
  // Storage is forbidden here: the system's choice holds, and names are shown.
}
