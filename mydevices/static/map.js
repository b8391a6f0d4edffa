/* Draws the positions that stand beside the map. Without it, they can be read there. */
"use strict";
(() => {
  const figure = document.querySelector("[data-map]");
  if (!figure || !window.L) return;
  const { tiles, attribution, world, zoomIn, zoomOut } = figure.dataset;
  const box = document.createElement("div");
  box.dir = "ltr"; // a map has no reading direction
  figure.prepend(box);
  const map = L.map(box, { attributionControl: false, zoomControl: false, worldCopyJump: true, minZoom: 1, maxZoom: tiles ? 19 : 14 });
  L.control.zoom({ position: "bottomright", zoomInTitle: zoomIn, zoomOutTitle: zoomOut }).addTo(map);
  L.control.scale({ position: "bottomleft", imperial: false, maxWidth: 120 }).addTo(map);
  map.setView([25, 5], 1);
  new ResizeObserver(() => map.invalidateSize()).observe(box); // what is told beside it grows, and the box with it
  if (tiles) {
    L.control.attribution({ prefix: false }).addTo(map);
    L.tileLayer(tiles, { attribution, maxZoom: 19 }).addTo(map);
  } else {
    /* Rings that cross the 180th meridian jump from one edge of the map to the other: they go on beyond it instead. */
    const goOn = (ring) => {
      let turn = 0;
      ring.forEach((point, index) => {
        const before = index ? ring[index - 1][0] : point[0];
        if (point[0] + turn - before > 180) turn -= 360;
        else if (point[0] + turn - before < -180) turn += 360;
        point[0] += turn;
      });
    };
    fetch(world, { credentials: "same-origin" }).then((answer) => answer.json()).then((data) => {
      const land = topojson.feature(data, data.objects.countries);
      for (const { geometry } of land.features) {
        for (const rings of geometry.type === "Polygon" ? [geometry.coordinates] : geometry.coordinates) rings.forEach(goOn);
      }
      L.geoJSON(land, { interactive: false, style: { className: "m-land" } }).addTo(map).bringToBack();
    }).catch(() => {}); // the positions are drawn without an outline
  }
  const drawn = L.layerGroup().addTo(map);
  let shown = "";
  const draw = () => {
    const points = [...document.querySelectorAll("[data-latitude]")].map((row) => ({
      at: [Number(row.dataset.latitude), Number(row.dataset.longitude)],
      accuracy: Number(row.dataset.accuracy) || 0,
      said: row.querySelector("[data-said]").textContent,
    }));
    const key = JSON.stringify(points);
    if (key === shown) return;
    shown = key;
    drawn.clearLayers();
    const caption = figure.querySelector("figcaption");
    figure.querySelector("[data-empty]").hidden = points.length > 0;
    caption.hidden = !points.length;
    if (!points.length) return;
    caption.firstElementChild.replaceChildren(...document.querySelector("[data-latitude] [data-said]").cloneNode(true).childNodes);
    const [newest, ...older] = points;
    const still = { interactive: false };
    L.polyline(points.map(({ at }) => at), { ...still, className: "m-trail", fill: false }).addTo(drawn);
    for (const { at, said } of older) L.circleMarker(at, { radius: 6, className: "m-old" }).bindTooltip(said).addTo(drawn);
    if (newest.accuracy) L.circle(newest.at, { ...still, radius: newest.accuracy, className: "m-halo" }).addTo(drawn);
    L.circleMarker(newest.at, { ...still, radius: 9, className: "m-pin" }).addTo(drawn);
    /* The newest position with the whole circle of its accuracy, and something around it. An outline of countries shows nothing
       from near by, so one that is exact is seen from farther. */
    const across = Math.max(newest.accuracy * 2.5, tiles ? 400 : 400000);
    map.fitBounds(L.latLng(newest.at).toBounds(across), { animate: false, padding: [8, 8] });
  };
  draw();
  document.addEventListener("htmx:after:swap", draw);

  /* Share this device's position: the browser asks for consent, and the form carries what it says. */
  for (const form of document.querySelectorAll("form[data-locate]")) {
    const status = form.querySelector("[role=status]");
    form.addEventListener("submit", (event) => {
      if (form.elements.latitude.value) return;
      event.preventDefault();
      if (!navigator.geolocation) {
        status.textContent = form.dataset.none;
        return;
      }
      event.submitter?.setAttribute("aria-busy", "true");
      navigator.geolocation.getCurrentPosition(({ coords }) => {
        form.elements.latitude.value = coords.latitude;
        form.elements.longitude.value = coords.longitude;
        form.elements.accuracy.value = coords.accuracy;
        form.requestSubmit();
      }, (problem) => {
        event.submitter?.removeAttribute("aria-busy");
        status.textContent = problem.code === problem.PERMISSION_DENIED ? form.dataset.denied : form.dataset.none;
      }, { enableHighAccuracy: true, timeout: 30000, maximumAge: 60000 });
    });
  }
})();
