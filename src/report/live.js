// How old the page is. A browser loads it again whether or not anybody still writes it.
(() => {
  const line = document.querySelector(".live");
  const [written, stale] = [line.dataset.written, line.dataset.stale].map(Number);
  const again = line.textContent;
  const units = [["s", 1], ["min", 60], ["h", 3600], ["days", 86400]];
  const words = (seconds) => {
    const [unit, size] = units.findLast(([, size]) => seconds >= 2 * size) ?? units[0];
    return `${Math.floor(seconds / size)} ${unit}`;
  };
  const show = () => {
    const age = Math.max(0, Date.now() / 1000 - written);
    line.classList.toggle("stale", age > stale);
    line.textContent = age > stale
      ? `No news for ${words(age)}: the run was stopped, or the machine sleeps. (Or its clock and this one's differ.)`
      : `Written ${words(age)} ago. ${again}`;
  };
  show();
  setInterval(show, 1000);
})();
