(function () {
  "use strict";
  const points = JSON.parse(document.getElementById("points").textContent);
  const charts = document.getElementById("charts");
  const readout = document.getElementById("readout");
  const cursors = charts.querySelectorAll(".cursor");
  const plot = charts.querySelector(".plot");
  const idle = readout.textContent;

  function nearest(share) {
    let low = 0;
    let high = points.at.length - 1;
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if (points.at[middle] < share) { low = middle; } else { high = middle; }
    }
    return share - points.at[low] < points.at[high] - share ? low : high;
  }

  function show(event) {
    const box = plot.getBoundingClientRect();
    const row = nearest(Math.min(1, Math.max(0, (event.clientX - box.left) / box.width)));
    readout.textContent = points.time[row] + " · " + points.equity[row] + " · drawdown " + points.drawdown[row] + " · exposure " + points.exposure[row];
    cursors.forEach(function (cursor) {
      cursor.style.display = "block";
      cursor.style.left = points.at[row] * 100 + "%";
    });
  }

  function hide() {
    readout.textContent = idle;
    cursors.forEach(function (cursor) { cursor.style.display = "none"; });
  }

  charts.addEventListener("pointermove", show);
  charts.addEventListener("pointerdown", show);
  charts.addEventListener("pointerleave", hide);
})();
