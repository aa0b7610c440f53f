// Before anything is drawn: the reader's choice of light or dark, if there is one.
try {
  const chosen = localStorage.getItem("checkout-recovery.theme");
  if (chosen === "light" || chosen === "dark") document.documentElement.dataset.theme = chosen;
} catch {
  // no storage: the system's choice it is
}
