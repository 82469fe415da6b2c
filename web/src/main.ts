import { createPinia } from 'pinia'
import { createApp } from 'vue'
import App from './App.vue'
import { i18n } from './i18n'
import { applyTheme } from './lib/theme'
import { createAppRouter } from './router'
import { installUi } from './ui'
import './styles/theme.css'
import './styles/parts.css'

applyTheme()
const app = createApp(App)
app.use(createPinia())
app.use(i18n)
app.use(createAppRouter())
installUi(app)
app.mount('#app')
