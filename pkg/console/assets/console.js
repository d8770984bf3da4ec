'use strict';

// Elements with data-refresh are replaced by what the address returns, every data-seconds. An element that
// has the focus or a part of the text selection is left alone. data-until ends it once that selector matches.
for (const element of document.querySelectorAll('[data-refresh]')) {
  const timer = setInterval(async () => {
    const selection = getSelection();
    const inUse = element.contains(document.activeElement) || (!selection.isCollapsed && selection.containsNode(element, true));
    if (document.hidden || inUse) return;
    try {
      const response = await fetch(element.dataset.refresh);
      if (response.redirected) return location.reload(); // to the login
      if (!response.ok) return;
      const text = await response.text();
      if (!element.contains(document.activeElement)) element.innerHTML = text; // escaped by the server
      if (element.dataset.until && element.querySelector(element.dataset.until)) clearInterval(timer);
    } catch {
      // The console is unreachable: the next attempt may work.
    }
  }, element.dataset.seconds * 1000);
}

// The form of dead letters counts the selected rows, and selects them all.
const form = document.getElementById('selection');
if (form && form.querySelector('[data-all]')) {
  const boxes = [...form.querySelectorAll('input[name=message]')];
  const all = form.querySelector('[data-all]');
  const update = () => {
    const count = boxes.filter((box) => box.checked).length;
    form.querySelector('[data-count]').textContent = count;
    all.checked = count === boxes.length;
    all.indeterminate = count > 0 && count < boxes.length;
  };
  all.addEventListener('change', () => {
    for (const box of boxes) box.checked = all.checked;
    update();
  });
  for (const box of boxes) box.addEventListener('change', update);
  update();
}
