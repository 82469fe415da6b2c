import { createRouter, createWebHashHistory, type RouteRecordRaw } from 'vue-router'
import { useSession } from './store/session'
import LoginView from './views/LoginView.vue'

// Addresses after `#` never reach the server, so it needs no rule for pages of the client.
const routes: RouteRecordRaw[] = [
  { path: '/login', name: 'login', component: LoginView },
  {
    path: '/',
    component: () => import('./components/AppShell.vue'),
    children: [
      { path: '', name: 'home', redirect: { name: 'workspace' } },
      { path: 'workspace', name: 'workspace', component: () => import('./views/WorkspaceView.vue') },
      { path: 'wall', name: 'wall', component: () => import('./views/WallView.vue') },
      { path: 'customers/:id?', name: 'customers', component: () => import('./views/CustomersView.vue') },
      { path: 'callbacks', name: 'callbacks', component: () => import('./views/CallbacksView.vue') },
      { path: 'tasks', name: 'tasks', component: () => import('./views/TasksView.vue') },
      { path: 'import', name: 'import', component: () => import('./views/ImportView.vue') },
      { path: 'duplicates', name: 'duplicates', component: () => import('./views/DuplicatesView.vue') },
      { path: 'records', name: 'records', component: () => import('./views/RecordsView.vue') },
      {
        path: 'system',
        component: () => import('./components/SystemPages.vue'),
        children: [
          { path: '', name: 'system', component: () => import('./views/SystemView.vue') },
          { path: 'users', name: 'users', component: () => import('./views/UsersView.vue') },
          { path: 'permissions', name: 'permissions', component: () => import('./views/PermissionsView.vue') },
          { path: 'dictionaries', name: 'dictionaries', component: () => import('./views/DictionariesView.vue') },
          { path: 'webhooks', name: 'webhooks', component: () => import('./views/WebhooksView.vue') },
          { path: 'configuration', name: 'configuration', component: () => import('./views/ConfigurationView.vue') },
          { path: 'audit', name: 'audit', component: () => import('./views/AuditView.vue') },
        ],
      },
    ],
  },
  { path: '/:rest(.*)*', redirect: '/' },
]

/** Pages of administrators alone; the server decides on every request anyway. */
const ADMINS: ReadonlySet<string> = new Set(['users', 'permissions', 'configuration'])

/** Pages of whoever may do this to this kind of thing in the CRM. */
const NEEDED: Readonly<Record<string, readonly [string, string]>> = {
  audit: ['audit', 'read'],
  dictionaries: ['dictionary', 'update'],
  webhooks: ['webhook', 'read'],
}

export function createAppRouter() {
  const router = createRouter({ history: createWebHashHistory(), routes })
  router.beforeEach((to) => {
    const session = useSession()
    if (session.me === null) {
      return to.name === 'login' ? true : { name: 'login', query: { to: to.fullPath } }
    }
    if (to.name === 'login') return { name: 'home' }
    if (to.name === 'workspace' && session.agentId === null) {
      return { name: session.watchesOthers ? 'wall' : 'records' }
    }
    if ((to.name === 'import' || to.name === 'duplicates') && !session.keepsCustomers) {
      return { name: 'customers' }
    }
    if ((to.name === 'wall' || to.path.startsWith('/system')) && !session.watchesOthers) {
      return { name: 'workspace' }
    }
    if (ADMINS.has(String(to.name)) && !session.administers) return { name: 'system' }
    const right = NEEDED[String(to.name)]
    if (right !== undefined && !session.may(...right)) return { name: 'system' }
    return true
  })
  return router
}
