// Applies the stored choice of light or dark before anything is painted.
// The name is the one in src/components/theme_switch.rs.
try {
  const theme = localStorage.getItem("nephrocast.theme");
  if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
} catch {
  // Storage is forbidden here: the system's choice holds.
}
