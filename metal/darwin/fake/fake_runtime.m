//go:build metalfake

// What Apple's runtime has and GNU's has not, as far as darwinkit names it.
// None of it is used by the driver: each ends the process.

#import <Foundation/Foundation.h>
#import <dispatch/dispatch.h>
#import <objc/runtime.h>

#include "fake.h"

IMP imp_implementationWithBlock(id b) { fake_die("imp_implementationWithBlock"); }
id imp_getBlock(IMP i) { fake_die("imp_getBlock"); }
BOOL imp_removeBlock(IMP i) { fake_die("imp_removeBlock"); }
char* property_copyAttributeValue(objc_property_t p, const char* n) { fake_die("property_copyAttributeValue"); }
objc_property_attribute_t* property_copyAttributeList(objc_property_t p, unsigned* n) { fake_die("property_copyAttributeList"); }
BOOL class_addProperty(Class c, const char* n, const objc_property_attribute_t* a, unsigned k) { fake_die("class_addProperty"); }
void class_replaceProperty(Class c, const char* n, const objc_property_attribute_t* a, unsigned k) { fake_die("class_replaceProperty"); }
IMP class_getMethodImplementation_stret(Class c, SEL s) { return class_getMethodImplementation(c, s); }
Protocol* objc_allocateProtocol(const char* n) { fake_die("objc_allocateProtocol"); }
void objc_setAssociatedObject(id o, const void* k, id v, uintptr_t p) { fake_die("objc_setAssociatedObject"); }
id objc_getAssociatedObject(id o, const void* k) { fake_die("objc_getAssociatedObject"); }
void objc_removeAssociatedObjects(id o) { fake_die("objc_removeAssociatedObjects"); }
void* dispatch_get_main_queue(void) { fake_die("dispatch_get_main_queue"); }
void* dispatch_get_global_queue(long a, unsigned long b) { fake_die("dispatch_get_global_queue"); }
void dispatch_retain(void* q) { fake_die("dispatch_retain"); }
void dispatch_release(void* q) { fake_die("dispatch_release"); }
void dispatch_async(void* q, void (^b)(void)) { fake_die("dispatch_async"); }
void dispatch_sync(void* q, void (^b)(void)) { fake_die("dispatch_sync"); }
