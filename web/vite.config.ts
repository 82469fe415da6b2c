/// <reference types="vitest/config" />
import vue from '@vitejs/plugin-vue'
import { defineConfig } from 'vite'

// `npm run dev` talks to the mock (npm run mock) or, with CTID_URL set, to a running daemon.
const backend = process.env.CTID_URL ?? 'http://127.0.0.1:5199'

export default defineConfig({
  plugins: [vue()],
  build: {
    outDir: '../ctid/web',
    emptyOutDir: true,
    target: 'es2022',
    // The content security policy allows no data: scripts and fonts; small files stay files.
    assetsInlineLimit: 0,
    chunkSizeWarningLimit: 900,
  },
  server: { host: '127.0.0.1', proxy: { '/api': { target: backend } } },
  // How long a test may take is no part of what it says: the machine may be slow.
  test: { environment: 'happy-dom', include: ['tests/**/*.test.ts'], testTimeout: 60_000, hookTimeout: 60_000 },
})
