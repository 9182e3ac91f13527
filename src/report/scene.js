// Surfaces that turn with the mouse, drawn by WebGL; without it the still picture stays.
for (const figure of document.querySelectorAll("div.scene")) {
  const canvas = document.createElement("canvas");
  const gl = canvas.getContext("webgl", { antialias: true });
  if (!gl || !gl.getExtension("OES_element_index_uint")) continue;
  const bytes = (name) => Uint8Array.from(atob(figure.querySelector(`[data-name="${name}"]`).textContent), (c) => c.charCodeAt(0)).buffer;
  const places = new Float32Array(bytes("vertices"));
  const corners = new Uint32Array(bytes("triangles"));
  const fields = [...figure.querySelectorAll("[data-field]")].map((item) => ({
    label: item.dataset.field, limit: Number(item.dataset.limit), values: new Float32Array(bytes(item.dataset.name)),
  }));

  // Around the origin, at most one away from it; normals are means over triangles, by their area.
  const [low, high] = [[0, 1, 2].map(() => Infinity), [0, 1, 2].map(() => -Infinity)];
  places.forEach((value, i) => { low[i % 3] = Math.min(low[i % 3], value); high[i % 3] = Math.max(high[i % 3], value); });
  const middle = low.map((value, i) => (value + high[i]) / 2);
  const radius = Math.hypot(...high.map((value, i) => value - middle[i])) || 1;
  const at = places.map((value, i) => (value - middle[i % 3]) / radius);
  const normals = new Float32Array(at.length);
  for (let t = 0; t < corners.length; t += 3) {
    const [a, b, c] = [0, 1, 2].map((k) => 3 * corners[t + k]);
    const [u, v] = [b, c].map((to) => [0, 1, 2].map((i) => at[to + i] - at[a + i]));
    const n = [0, 1, 2].map((i) => u[(i + 1) % 3] * v[(i + 2) % 3] - u[(i + 2) % 3] * v[(i + 1) % 3]);
    for (const corner of [a, b, c]) n.forEach((value, i) => { normals[corner + i] += value; });
  }

  const shader = (kind, text) => {
    const made = gl.createShader(kind);
    gl.shaderSource(made, text);
    gl.compileShader(made);
    return made;
  };
  const program = gl.createProgram();
  gl.attachShader(program, shader(gl.VERTEX_SHADER, `
    attribute vec3 place, normal; attribute float value;
    uniform mat3 turn; uniform float zoom, aspect; varying vec3 n; varying float v;
    void main() {
      vec3 p = turn * place * zoom;
      n = turn * normal; v = value;
      gl_Position = vec4(p.x / max(aspect, 1.0), p.y * min(aspect, 1.0), -0.9 * p.z / zoom, 1.0);
    }`));
  gl.attachShader(program, shader(gl.FRAGMENT_SHADER, `
    precision mediump float; varying vec3 n; varying float v;
    void main() {
      vec3 white = vec3(0.95), blue = vec3(0.13, 0.40, 0.67), red = vec3(0.70, 0.09, 0.17);
      vec3 colour = v > 1.5 ? vec3(0.6) : mix(white, v < 0.0 ? blue : red, min(abs(v), 1.0));
      float light = 0.35 + 0.65 * abs(dot(normalize(n), normalize(vec3(0.3, 0.4, 1.0))));
      gl_FragColor = vec4(colour * light, 1.0);
    }`));
  gl.linkProgram(program);
  if (!gl.getProgramParameter(program, gl.LINK_STATUS)) continue;
  gl.useProgram(program);
  const buffer = (name, size, values) => {
    const where = gl.getAttribLocation(program, name);
    gl.bindBuffer(gl.ARRAY_BUFFER, gl.createBuffer());
    gl.bufferData(gl.ARRAY_BUFFER, values, gl.STATIC_DRAW);
    gl.enableVertexAttribArray(where);
    gl.vertexAttribPointer(where, size, gl.FLOAT, false, 0, 0);
  };
  buffer("place", 3, at);
  buffer("normal", 3, normals);
  gl.bindBuffer(gl.ELEMENT_ARRAY_BUFFER, gl.createBuffer());
  gl.bufferData(gl.ELEMENT_ARRAY_BUFFER, corners, gl.STATIC_DRAW);
  gl.enable(gl.DEPTH_TEST);

  // The view of the still picture: from above, x to the right.
  let turn = [1, 0, 0, 0, 1, 0, 0, 0, 1];
  let zoom = 1;
  const rotate = (about, angle) => {
    const [c, s] = [Math.cos(angle), Math.sin(angle)];
    const by = about === "x" ? [1, 0, 0, 0, c, s, 0, -s, c] : [c, 0, -s, 0, 1, 0, s, 0, c];
    // Columns: by times turn.
    turn = turn.map((_, i) => [0, 1, 2].reduce((sum, k) => sum + by[3 * k + (i % 3)] * turn[3 * Math.floor(i / 3) + k], 0));
  };
  const draw = () => {
    const width = Math.round(canvas.clientWidth * devicePixelRatio);
    const height = Math.round(canvas.clientHeight * devicePixelRatio);
    if (canvas.width !== width || canvas.height !== height) [canvas.width, canvas.height] = [width, height];
    gl.viewport(0, 0, width, height);
    gl.clearColor(1, 1, 1, 1);
    gl.clear(gl.COLOR_BUFFER_BIT | gl.DEPTH_BUFFER_BIT);
    gl.uniformMatrix3fv(gl.getUniformLocation(program, "turn"), false, turn);
    gl.uniform1f(gl.getUniformLocation(program, "zoom"), zoom);
    gl.uniform1f(gl.getUniformLocation(program, "aspect"), width / Math.max(height, 1));
    gl.drawElements(gl.TRIANGLES, corners.length, gl.UNSIGNED_INT, 0);
  };
  const legend = document.createElement("p");
  legend.className = "scene-legend";
  const choice = document.createElement("select");
  choice.setAttribute("aria-label", "colour by");
  fields.forEach((field) => choice.append(new Option(field.label)));
  const bar = document.createElement("span");
  const show = () => {
    const field = fields[choice.selectedIndex];
    buffer("value", 1, field.values.map((value) => (Number.isFinite(value) ? Math.max(-1, Math.min(1, value / field.limit)) : 2)));
    bar.textContent = "";
    const ramp = document.createElement("i");
    bar.append(`${(-field.limit).toPrecision(2)} `, ramp, ` ${field.limit.toPrecision(2)}`);
    draw();
  };
  choice.addEventListener("change", show);
  legend.append(choice, bar);

  canvas.tabIndex = 0;
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", "surface: drag or arrow keys turn it, the wheel zooms");
  canvas.addEventListener("pointerdown", (event) => canvas.setPointerCapture(event.pointerId));
  canvas.addEventListener("pointermove", (event) => {
    if (!canvas.hasPointerCapture(event.pointerId)) return;
    rotate("y", event.movementX / 150);
    rotate("x", event.movementY / 150);
    draw();
  });
  canvas.addEventListener("wheel", (event) => {
    event.preventDefault();
    zoom = Math.min(8, Math.max(0.3, zoom * Math.exp(-event.deltaY / 500)));
    draw();
  }, { passive: false });
  canvas.addEventListener("keydown", (event) => {
    const turns = { ArrowLeft: ["y", -0.1], ArrowRight: ["y", 0.1], ArrowUp: ["x", -0.1], ArrowDown: ["x", 0.1] }[event.key];
    if (!turns) return;
    event.preventDefault();
    rotate(...turns);
    draw();
  });
  figure.querySelector("img")?.remove();
  figure.prepend(canvas);
  figure.append(legend);
  addEventListener("resize", draw);
  show();
}
